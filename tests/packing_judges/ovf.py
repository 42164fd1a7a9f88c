"""What an OVF description says of the disk, if it is well-formed: file, bytes, capacity, unit, format."""

import sys
import xml.etree.ElementTree

OVF = "{http://schemas.dmtf.org/ovf/envelope/1}"
root = xml.etree.ElementTree.parse(sys.argv[1]).getroot()
assert root.tag == OVF + "Envelope", root.tag
file = root.find(f"{OVF}References/{OVF}File")
disk = root.find(f"{OVF}DiskSection/{OVF}Disk")
assert disk.get(OVF + "fileRef") == file.get(OVF + "id")
print(file.get(OVF + "href"), file.get(OVF + "size"), disk.get(OVF + "capacity"),
      disk.get(OVF + "capacityAllocationUnits"), disk.get(OVF + "format"), sep="\n")
