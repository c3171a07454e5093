package backend

type sieveDialect struct{ pop3Dialect }
