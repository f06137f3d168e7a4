DROP TABLE spot_checks;
DROP TABLE spot_sites;
