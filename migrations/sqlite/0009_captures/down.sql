DROP TABLE capture_media;
DROP TABLE captures;
DROP TABLE device_keys;
