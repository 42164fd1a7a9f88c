"""Booting images in QEMU.

    media      what a file or URL is, and for which architecture; disks for what has none
    machine    the command line of QEMU: firmware, drives, network
    run        one run: serial console to terminal and log, verdict
"""
