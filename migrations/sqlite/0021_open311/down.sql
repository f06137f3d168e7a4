DROP TABLE open311_requests;
