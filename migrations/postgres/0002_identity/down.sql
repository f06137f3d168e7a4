DROP TABLE sessions;
DROP TABLE devices;
DROP TABLE users;
DROP TABLE unit_classes;
DROP TABLE units;
