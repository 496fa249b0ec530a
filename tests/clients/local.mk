# Clients other than the kubectl of the API's own release, unmodified; each is skipped where its package cannot be had.
dist_check_SCRIPTS += %D%/helm.sh %D%/kubectl-1.35.sh %D%/python.sh %D%/node.sh
TESTS += %D%/helm.sh %D%/kubectl-1.35.sh %D%/python.sh %D%/node.sh
EXTRA_DIST += tests/fake-node.py %D%/clients.sh %D%/fetch %D%/package.json %D%/python-client.py %D%/node-client.mjs
