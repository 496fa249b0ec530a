# unit tests of store; see tests/local.mk
