# The store under a whole clusterd. Scripts that speak TAP.
dist_check_SCRIPTS += %D%/backup.sh %D%/etcd.sh %D%/kill.sh
TESTS += %D%/backup.sh %D%/etcd.sh %D%/kill.sh
EXTRA_DIST += %D%/api_load.py %D%/backup.py %D%/etcd.py %D%/kill.py
