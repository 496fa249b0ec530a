# Clients other than the kubectl of the API's own release, unmodified; each is skipped where its package cannot be had.
dist_check_SCRIPTS += %D%/helm.sh %D%/kubectl-1.35.sh %D%/python.sh %D%/node.sh %D%/streams.sh
TESTS += %D%/helm.sh %D%/kubectl-1.35.sh %D%/python.sh %D%/node.sh %D%/streams.sh
EXTRA_DIST += tests/fake-node.py %D%/clients.sh %D%/fetch %D%/package.json %D%/python-client.py %D%/node-client.mjs \
	%D%/python-streams.py %D%/node-streams.mjs

check_PROGRAMS += %D%/host-node
%C%_host_node_SOURCES = %D%/host-node.c tests/unit/server/child.c tests/unit/server/child.h
%C%_host_node_LDADD = src/clusterd/server/libserver.a src/clusterd/store/libstore.a src/clusterd/api/libapi.a \
	src/base/libbase.a $(clusterd_system_libs)
%D%/streams.log: %D%/host-node$(EXEEXT)
