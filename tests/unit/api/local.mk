# unit tests of api; see tests/local.mk
