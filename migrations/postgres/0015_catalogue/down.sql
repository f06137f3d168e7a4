DROP TABLE catalogue_conditions;
DROP TABLE catalogue_classes;
DROP TABLE catalogue_versions;
