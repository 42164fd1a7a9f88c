"""The stand-in release: Talos' container images with Debian's kernel inside.

    packages     .debs of two suites and two architectures, and the lock file
    store        content-addressed cache of everything made from them
    tree         a file system image in memory; tar, squashfs, cpio
    kernel       kernel modules and their dependencies
    versions     what differs between Talos versions, one table
    assets       kernel, initramfs, systemd-boot: what the imager image carries
    extensions   the fourteen system extensions
    overlays     the two board overlays
    release      all images of one Talos version
    oci          manifests, the image layout on disk
    push         upload of a layout to a registry
"""
