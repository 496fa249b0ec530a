#pragma once
/* A nameserver of the test's own on loopback, over UDP and TCP. What it answers goes by the first label:
 *   big      UDP: cut off; TCP: a hundred addresses
 *   fail     SERVFAIL
 *   silent   nothing
 *   nx       NXDOMAIN with an SOA of five seconds
 *   forged   over UDP, first a reply with another id and one to another question
 *   garbage  a reply that is no message
 *   held     nothing until nameserver_release
 *   short    an address for one second
 *   else     an address for 300 seconds
 * The address is 192.0.2.NUMBER. */
#include <glib.h>
#include <stdint.h>

typedef struct TestNameServer TestNameServer;

/* At 127.0.0.NUMBER, PORT (0: any). NULL: that port is taken. */
TestNameServer *nameserver_start(uint8_t number, uint16_t port);
void nameserver_stop(TestNameServer *server);
uint16_t nameserver_port(const TestNameServer *server);
/* How many questions it was asked, those of health and loops left out. */
unsigned nameserver_asked(TestNameServer *server);
/* Waits until it was asked so often. */
void nameserver_wait_asked(TestNameServer *server, unsigned count);
void nameserver_release(TestNameServer *server);
