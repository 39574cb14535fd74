"""Finding devices on camera segments, without logging in to any of them.

The words of this package, from the inside out:

    Evidence     one statement about a device, with its source and weight (`bartizan.identity.model`)
    Heard        what one answer said: evidence, and what it claims of its own addresses (`answer`)
    Sighting     something heard of one address on one interface (`sightings`)
    Observation  everything that one look gave about one device: its sightings, merged (`sightings`)
    scan         look at whole segments once (`scan`)
    Watch        listen for ever, and scan now and then (`watch`)

One module per protocol builds requests and parses answers, from bytes to values, and touches no socket.
`channels` lists the protocols spoken by datagram, `segment` speaks them, `looks` connects to live addresses.
"""
