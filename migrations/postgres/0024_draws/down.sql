DROP TABLE draw_picks;
DROP TABLE draw_commitments;
DROP TABLE draws;
DROP TABLE spot_team_members;
DROP TABLE spot_checklists;
DROP TABLE spot_substitutions;
DROP TABLE spot_site_versions;
-- Back to nine slots: what has none goes, with its records.
CREATE TABLE sites_kept AS
  SELECT * FROM (
    SELECT *, ROW_NUMBER() OVER (PARTITION BY unit_id, kind ORDER BY code) + CASE kind WHEN 'main_road' THEN 0 WHEN 'back_street' THEN 2
      WHEN 'residential' THEN 4 WHEN 'market' THEN 5 WHEN 'construction' THEN 6 WHEN 'toilet' THEN 7 ELSE 8 END AS slot,
      ROW_NUMBER() OVER (PARTITION BY unit_id, kind ORDER BY code) AS place
    FROM spot_sites
  ) numbered WHERE place <= CASE WHEN kind IN ('main_road','back_street') THEN 2 ELSE 1 END;
DELETE FROM spot_checks WHERE site_id NOT IN (SELECT id FROM sites_kept);
DELETE FROM spot_sites WHERE id NOT IN (SELECT id FROM sites_kept);
ALTER TABLE spot_sites ADD COLUMN slot INTEGER CHECK (slot BETWEEN 1 AND 9);
UPDATE spot_sites s SET slot = k.slot FROM sites_kept k WHERE k.id = s.id;
ALTER TABLE spot_sites ALTER COLUMN slot SET NOT NULL;
ALTER TABLE spot_sites ADD UNIQUE (unit_id, slot);
DROP TABLE sites_kept;
DROP INDEX spot_sites_unit;
ALTER TABLE spot_sites DROP COLUMN code;
ALTER TABLE spot_sites DROP COLUMN geometry;
ALTER TABLE spot_sites DROP COLUMN active_from;
ALTER TABLE spot_sites DROP COLUMN struck_at;
ALTER TABLE spot_sites DROP COLUMN strike_reason;
ALTER TABLE spot_checks DROP COLUMN pick_id;
ALTER TABLE spot_checks DROP COLUMN recheck;
ALTER TABLE spot_checks DROP COLUMN checklist_version;
ALTER TABLE spot_checks DROP COLUMN answers;
ALTER TABLE spot_checks DROP COLUMN arrived_at;
ALTER TABLE spot_checks DROP COLUMN left_at;
ALTER TABLE spot_checks DROP COLUMN distance_m;
ALTER TABLE spot_checks DROP COLUMN outside_fence;
ALTER TABLE spot_checks DROP COLUMN unreachable;
ALTER TABLE spot_checks DROP COLUMN signature_sha256;
ALTER TABLE spot_checks DROP COLUMN seal_sha256;
