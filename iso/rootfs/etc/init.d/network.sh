# shellcheck shell=dash
# The machine's own interface. Its addresses are user-mode networking's fixed ones: there is nothing to ask a DHCP server for.

vm_address=10.0.2.15
container_address=10.0.2.100

own_address() {
  if [ "$LAUNCHER_DRIVER" = vm ]; then echo $vm_address; else echo $container_address; fi
}

bring_up_network() {
  ip link set lo up
  echo 'nameserver 10.0.2.3' >/etc/resolv.conf
  if [ ! -e /sys/class/net/eth0 ]; then
    failed 'there is no network interface'
    return
  fi
  ip link set eth0 up
  ip address add $vm_address/24 broadcast + dev eth0
  ip route add default via 10.0.2.2
  event network $vm_address
}

# Under the container driver slirp4netns makes tap0 while we start.
wait_for_network() {
  local try=0
  ip link set lo up
  echo 'nameserver 10.0.2.3' >/etc/resolv.conf
  until ip -4 address show dev tap0 2>/dev/null | grep -q " $container_address/"; do
    try=$((try + 1))
    if [ $try -gt 500 ]; then
      failed 'tap0 did not get its address'
      return
    fi
    usleep 20000
  done
  event network $container_address
}
