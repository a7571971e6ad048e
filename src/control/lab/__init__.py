"""Networks of namespaces for the demonstration, tests and benchmarks; the daemons are seen from outside only.

namespaces   namespaces that leave nothing behind       hosts       ping, sniff, send: what can be tried there
processes    programs in them, ended by their ids       helpers     measuring programs, spoken to in JSON
topology     the internet of the demonstration, drawn   daemons     real `mobileip run` processes
traffic      a verified transfer, numbered probes       linkwatch   when the node's link was usable, exactly
handover     one measured move                          capture     a pcap file of every link
lab          all of it as one object                    waiting     bounded polling
"""
