DROP TABLE evidence_tracks;
DROP TABLE photo_matches;
DROP TABLE photo_pairs;
DROP TABLE photo_hash_clock;
DROP TABLE photo_hashes;
