-- Commands that are told how runs end: an object of argv by event, with
-- hook_timeout_seconds; NULL where there are none.
ALTER TABLE deployment ADD COLUMN hooks TEXT CHECK (hooks IS NULL OR json_type(hooks) = 'object');
ALTER TABLE work_pool ADD COLUMN hooks TEXT CHECK (hooks IS NULL OR json_type(hooks) = 'object');

-- Mostly empty: where they are, the end of a run looks into these alone.
CREATE INDEX deployment_hooks ON deployment (id) WHERE hooks IS NOT NULL;
CREATE INDEX work_pool_hooks ON work_pool (id) WHERE hooks IS NOT NULL;

-- A command that a run's end owes, written in that end's own transaction.
CREATE TABLE hook (
	run_id          BLOB NOT NULL REFERENCES flow_run (id) ON DELETE CASCADE,
	attempt         INTEGER NOT NULL, -- 0 for on_late: once a run
	event           TEXT NOT NULL CHECK (event IN ('on_failure', 'on_crash', 'on_completion', 'on_late')),
	origin          TEXT NOT NULL CHECK (origin IN ('deployment', 'work_pool')),
	argv            TEXT NOT NULL CHECK (json_type(argv) = 'array'), -- as it was then
	folder          TEXT NOT NULL DEFAULT '',
	timeout_seconds REAL,
	-- the state that it is about
	state_type      TEXT NOT NULL,
	state_name      TEXT NOT NULL,
	state_message   TEXT NOT NULL,
	state_time      INTEGER NOT NULL,
	-- who started it, while it is under way
	owner_proof     TEXT,
	log             TEXT,
	started         INTEGER,
	ended           INTEGER,
	exit_code       INTEGER,
	message         TEXT NOT NULL DEFAULT '',
	created         INTEGER NOT NULL,
	updated         INTEGER NOT NULL,
	PRIMARY KEY (run_id, attempt, event, origin),
	CHECK ((owner_proof IS NOT NULL) = (started IS NOT NULL AND ended IS NULL)),
	CHECK (started IS NULL OR log IS NOT NULL)
) STRICT, WITHOUT ROWID;

CREATE INDEX hook_pending ON hook (created) WHERE ended IS NULL;

-- By a trigger, so that whoever writes an end owes, and no statement more is
-- asked where there are no hooks.
CREATE TRIGGER flow_run_owes_hooks AFTER UPDATE OF state_type ON flow_run
	WHEN NEW.end_time IS NOT NULL AND OLD.end_time IS NULL AND NEW.state_type <> 'CANCELLED'
	     AND (EXISTS (SELECT 1 FROM deployment INDEXED BY deployment_hooks WHERE hooks IS NOT NULL)
	          OR EXISTS (SELECT 1 FROM work_pool INDEXED BY work_pool_hooks WHERE hooks IS NOT NULL))
BEGIN
	INSERT OR IGNORE INTO hook (run_id, attempt, event, origin, argv, folder, timeout_seconds,
	                            state_type, state_name, state_message, state_time, created, updated)
	SELECT NEW.id, NEW.attempt, e.event, 'deployment', d.hooks -> e.event, d.path, d.hooks ->> 'hook_timeout_seconds',
	       NEW.state_type, NEW.state_name, NEW.state_message, NEW.state_time, NEW.updated, NEW.updated
	  FROM deployment d
	  JOIN (SELECT iif(NEW.state_type = 'COMPLETED', 'on_completion', iif(NEW.state_type = 'FAILED', 'on_failure', 'on_crash')) AS event) e
	 WHERE d.id = NEW.deployment_id
	   AND d.hooks -> e.event IS NOT NULL;
	INSERT OR IGNORE INTO hook (run_id, attempt, event, origin, argv, timeout_seconds,
	                            state_type, state_name, state_message, state_time, created, updated)
	SELECT NEW.id, NEW.attempt, e.event, 'work_pool', p.hooks -> e.event, p.hooks ->> 'hook_timeout_seconds',
	       NEW.state_type, NEW.state_name, NEW.state_message, NEW.state_time, NEW.updated, NEW.updated
	  FROM work_pool p
	  JOIN work_queue q ON q.work_pool_id = p.id
	  JOIN (SELECT iif(NEW.state_type = 'COMPLETED', 'on_completion', iif(NEW.state_type = 'FAILED', 'on_failure', 'on_crash')) AS event) e
	 WHERE q.id = NEW.work_queue_id
	   AND p.hooks -> e.event IS NOT NULL;
END;
