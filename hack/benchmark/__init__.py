"""Measuring the service over loopback.

    client     one keep-alive connection that times what it reads
    server     processes and what they cost: the service, nginx
    table      rows with reference and goal; schematics that were never seen
    artifacts  initramfs, UKI, ISO: from a new schematic to the last byte
    modules    indexes of kernel modules
    layouts    layouts alone: sets of extensions, HEAD
    disks      disk images, beside programs that pack the same raw disk
    known      what was asked for before: beside nginx, ranges, many at once
"""
