# unit tests of node; see tests/local.mk
