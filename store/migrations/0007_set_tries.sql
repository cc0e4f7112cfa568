-- Which of its retries and timeout somebody set, by a flag, a project file or an
-- update: a deploy that does not name them keeps these. The others are the
-- flow's own, and follow it; so do all of a deployment that was made before.
ALTER TABLE deployment ADD COLUMN set_by_hand TEXT NOT NULL DEFAULT '[]' CHECK (json_type(set_by_hand) = 'array');
