#!/usr/bin/env python3
"""Sends a datagram and prints the answer: ask-udp.py ADDRESS PORT. Each time from the same socket's address, so that the kernel takes it for
one connection."""
import socket
import sys

address, port = sys.argv[1], int(sys.argv[2])
with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as client:
    client.bind(("", 40053))
    client.settimeout(1)
    client.connect((address, port))
    try:
        client.send(b"x")
        print(client.recv(100).decode())
    except OSError as error:
        print(error)
