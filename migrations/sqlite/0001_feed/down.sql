DROP TABLE sync_raw;
DROP TABLE sync_waits;
DROP TABLE sync_ops;
DROP TABLE changes;
DROP TABLE sync_clock;
DROP TABLE server_secrets;
