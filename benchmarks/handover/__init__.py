"""How long a handover takes: ``python -m benchmarks.handover`` (root), on the internet of the demonstration.

The mobile node goes round: home, foreign 1, foreign 2, foreign 3 (co-located), home. Cases:

both      numbered UDP probes, one a millisecond each way
down      the same from the correspondent only; the node itself sends nothing but registrations
download  a paced TCP transfer from the correspondent; the node sends only acknowledgements and registrations

Measured is the time from link-up to the first packet over the new path, with the definitions of
mobileip.control.lab.handover. Of the download it is the time from link-up until the application gets the next
bytes in order, TCP's own recovery included: a sender that has lost its whole window waits for its
retransmission timer, 200 ms or more, so this figure has no target.
"""
