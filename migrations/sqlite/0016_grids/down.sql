DROP TABLE responsibilities;
DROP TABLE grids;
