# The store under a whole clusterd. Scripts that speak TAP.
dist_check_SCRIPTS += %D%/kill.sh %D%/etcd.sh
TESTS += %D%/kill.sh %D%/etcd.sh
EXTRA_DIST += %D%/api_load.py %D%/etcd.py %D%/kill.py
