DROP TABLE merits;
