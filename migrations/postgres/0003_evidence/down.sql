DROP TABLE uploads;
DROP TABLE evidence_links;
DROP TABLE evidence;
