# shellcheck shell=bash
# Also read for commands given to ssh, where dropbear sets a PATH without sbin.
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
PS1='\u@\h:\w\$ '
