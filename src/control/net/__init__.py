"""The kernel, as the cores need it: control messages in and out, routes, neighbours, addresses, ARP, sysctls.

netlink    every rtnetlink request; the only module that imports pyroute2
watch      link, address and default-route changes as LinkChanged events
desired    what we want in the kernel, in groups that are replaced and withdrawn as one
reconcile  the cores' routing actions performed on it
arp        gratuitous ARP
udp icmp   registration messages and agent discovery; packet and ipv4 below them
sysctl     kernel settings that are put back afterwards
"""
