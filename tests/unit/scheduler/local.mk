# unit tests of scheduler; see tests/local.mk
