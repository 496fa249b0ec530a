# shellcheck shell=dash
# Modules and kernel settings.

load_network_modules() {
  modprobe virtio_net
}

# What the cluster uses at once. Loading it here, in the background, spares the kernel asking modprobe for each; whatever else is
# needed is still loaded on demand.
load_modules() {
  modprobe -a crc32c-intel button evdev virtio_rng virtio_balloon bridge br_netfilter veth nf_tables nft_chain_nat nft_nat nft_masq \
    nft_ct nft_numgen nft_fib_ipv4 nft_reject_ipv4 nf_conntrack_netlink
}

apply_sysctls() {
  sysctl -q -e -p "${1:-/etc/sysctl.conf}" 2>/dev/null
}
