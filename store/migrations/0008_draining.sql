-- When a worker was told to stop: from then on it takes no new runs.
ALTER TABLE worker ADD COLUMN draining INTEGER;
