-- Times are integers, microseconds UTC. Ids are UUIDv7, 16 bytes.
-- Lists and maps are JSON text.

CREATE TABLE meta (
	key   TEXT PRIMARY KEY,
	value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- The oldest schema whose binary may still write here.
INSERT INTO meta (key, value) VALUES ('oldest_writer', '1');

CREATE TABLE flow (
	id      BLOB PRIMARY KEY,
	name    TEXT NOT NULL UNIQUE CHECK (name <> ''),
	created INTEGER NOT NULL,
	updated INTEGER NOT NULL
) STRICT;

CREATE TABLE work_pool (
	id                BLOB PRIMARY KEY,
	name              TEXT NOT NULL UNIQUE CHECK (name <> ''),
	type              TEXT NOT NULL,
	description       TEXT NOT NULL DEFAULT '',
	is_paused         INTEGER NOT NULL DEFAULT 0 CHECK (is_paused IN (0, 1)),
	concurrency_limit INTEGER CHECK (concurrency_limit >= 0),
	job_variables     TEXT NOT NULL DEFAULT '{}' CHECK (json_type(job_variables) = 'object'),
	created           INTEGER NOT NULL,
	updated           INTEGER NOT NULL
) STRICT;

CREATE TABLE work_queue (
	id                BLOB PRIMARY KEY,
	work_pool_id      BLOB NOT NULL REFERENCES work_pool (id) ON DELETE CASCADE,
	name              TEXT NOT NULL CHECK (name <> ''),
	description       TEXT NOT NULL DEFAULT '',
	priority          INTEGER NOT NULL CHECK (priority >= 1),
	is_paused         INTEGER NOT NULL DEFAULT 0 CHECK (is_paused IN (0, 1)),
	concurrency_limit INTEGER CHECK (concurrency_limit >= 0),
	last_polled       INTEGER,
	created           INTEGER NOT NULL,
	updated           INTEGER NOT NULL,
	UNIQUE (work_pool_id, name)
) STRICT;

CREATE TABLE deployment (
	id                       BLOB PRIMARY KEY,
	flow_id                  BLOB NOT NULL REFERENCES flow (id),
	name                     TEXT NOT NULL CHECK (name <> ''),
	work_queue_id            BLOB REFERENCES work_queue (id) ON DELETE SET NULL,
	entrypoint               TEXT NOT NULL,
	kind                     TEXT NOT NULL CHECK (kind IN ('python', 'script')),
	path                     TEXT NOT NULL,
	interpreter              TEXT NOT NULL DEFAULT '',
	description              TEXT NOT NULL DEFAULT '',
	version                  TEXT NOT NULL DEFAULT '',
	tags                     TEXT NOT NULL DEFAULT '[]' CHECK (json_type(tags) = 'array'),
	parameters               TEXT NOT NULL DEFAULT '{}' CHECK (json_type(parameters) = 'object'),
	parameter_schema         TEXT NOT NULL DEFAULT '{}' CHECK (json_type(parameter_schema) = 'object'),
	enforce_parameter_schema INTEGER NOT NULL DEFAULT 1 CHECK (enforce_parameter_schema IN (0, 1)),
	job_variables            TEXT NOT NULL DEFAULT '{}' CHECK (json_type(job_variables) = 'object'),
	pull_steps               TEXT,
	-- what the file or the flags say, and what an operator said: both must allow
	paused                   INTEGER NOT NULL DEFAULT 0 CHECK (paused IN (0, 1)),
	operator_paused          INTEGER NOT NULL DEFAULT 0 CHECK (operator_paused IN (0, 1)),
	concurrency_limit        INTEGER CHECK (concurrency_limit >= 1),
	collision_strategy       TEXT NOT NULL DEFAULT 'ENQUEUE' CHECK (collision_strategy IN ('ENQUEUE', 'CANCEL_NEW', 'REPLACE')),
	retries                  INTEGER NOT NULL DEFAULT 0 CHECK (retries >= 0),
	retry_delay_seconds      TEXT NOT NULL DEFAULT '[]' CHECK (json_type(retry_delay_seconds) = 'array'),
	retries_on_crash         INTEGER NOT NULL DEFAULT 0 CHECK (retries_on_crash >= 0),
	retry_jitter_factor      REAL NOT NULL DEFAULT 0 CHECK (retry_jitter_factor >= 0),
	timeout_seconds          REAL CHECK (timeout_seconds > 0),
	catchup                  TEXT NOT NULL DEFAULT 'latest' CHECK (catchup IN ('latest', 'all', 'none')),
	max_late_seconds         REAL CHECK (max_late_seconds > 0),
	jitter_seconds           REAL CHECK (jitter_seconds > 0),
	project_file             TEXT,
	-- what is printed in place of hidden values, by path
	shown                    TEXT NOT NULL DEFAULT '{}' CHECK (json_type(shown) = 'object'),
	created                  INTEGER NOT NULL,
	updated                  INTEGER NOT NULL,
	UNIQUE (flow_id, name)
) STRICT;

CREATE INDEX deployment_by_name ON deployment (name);
CREATE INDEX deployment_by_queue ON deployment (work_queue_id);

CREATE TABLE schedule (
	id              BLOB PRIMARY KEY,
	deployment_id   BLOB NOT NULL REFERENCES deployment (id) ON DELETE CASCADE,
	slug            TEXT NOT NULL CHECK (slug <> ''),
	kind            TEXT NOT NULL CHECK (kind IN ('cron', 'interval', 'rrule')),
	definition      TEXT NOT NULL CHECK (json_type(definition) = 'object'),
	timezone        TEXT NOT NULL DEFAULT 'UTC',
	active          INTEGER NOT NULL DEFAULT 1 CHECK (active IN (0, 1)),
	operator_paused INTEGER NOT NULL DEFAULT 0 CHECK (operator_paused IN (0, 1)),
	parameters      TEXT NOT NULL DEFAULT '{}' CHECK (json_type(parameters) = 'object'),
	-- the newest instant that was decided; only moves forward
	decided         INTEGER NOT NULL,
	-- what the clock said then; a day ahead of it, the clock was wrong
	decided_at      INTEGER NOT NULL,
	-- what was decided when the definition began to hold
	since           INTEGER NOT NULL,
	-- the tick whose run waits; NULL where it is paused or over
	next            INTEGER,
	-- its waiting run was deleted: whoever looks first makes the one after it
	unplanned       INTEGER NOT NULL DEFAULT 0 CHECK (unplanned IN (0, 1)),
	created         INTEGER NOT NULL,
	updated         INTEGER NOT NULL,
	UNIQUE (deployment_id, slug)
) STRICT;

CREATE INDEX schedule_decided ON schedule (decided_at);
CREATE INDEX schedule_unplanned ON schedule (id) WHERE unplanned = 1;

-- Ticks that became no run, as spans.
CREATE TABLE dropped_tick (
	id            BLOB PRIMARY KEY,
	deployment_id BLOB NOT NULL REFERENCES deployment (id) ON DELETE CASCADE,
	schedule_slug TEXT NOT NULL,
	first         INTEGER NOT NULL,
	last          INTEGER NOT NULL,
	count         INTEGER NOT NULL CHECK (count >= 1),
	reason        TEXT NOT NULL,
	created       INTEGER NOT NULL,
	updated       INTEGER NOT NULL
) STRICT;

CREATE INDEX dropped_tick_by_schedule ON dropped_tick (deployment_id, schedule_slug, first);

-- When nobody polled a queue: its workers were gone, or their machine slept.
CREATE TABLE absence (
	id            BLOB PRIMARY KEY,
	work_queue_id BLOB NOT NULL REFERENCES work_queue (id) ON DELETE CASCADE,
	first         INTEGER NOT NULL,
	last          INTEGER NOT NULL,
	reason        TEXT NOT NULL CHECK (reason IN ('off', 'asleep')),
	created       INTEGER NOT NULL,
	updated       INTEGER NOT NULL
) STRICT;

CREATE INDEX absence_by_queue ON absence (work_queue_id, last);

-- When a schedule, or the queue or pool of many, was paused: the claim drops
-- the ticks of these times when it meets them.
CREATE TABLE pause (
	id      INTEGER PRIMARY KEY,
	subject BLOB NOT NULL, -- a schedule's, queue's or pool's id
	first   INTEGER NOT NULL,
	last    INTEGER        -- NULL while it lasts
) STRICT;

CREATE INDEX pause_by_subject ON pause (subject, last);

CREATE TRIGGER work_pool_paused AFTER UPDATE OF is_paused ON work_pool WHEN OLD.is_paused = 0 AND NEW.is_paused = 1
BEGIN
	INSERT INTO pause (subject, first) VALUES (NEW.id, NEW.updated);
END;

CREATE TRIGGER work_pool_resumed AFTER UPDATE OF is_paused ON work_pool WHEN OLD.is_paused = 1 AND NEW.is_paused = 0
BEGIN
	UPDATE pause SET last = NEW.updated WHERE subject = NEW.id AND last IS NULL;
END;

CREATE TRIGGER work_pool_made_paused AFTER INSERT ON work_pool WHEN NEW.is_paused = 1
BEGIN
	INSERT INTO pause (subject, first) VALUES (NEW.id, NEW.updated);
END;

CREATE TRIGGER work_pool_gone AFTER DELETE ON work_pool
BEGIN
	DELETE FROM pause WHERE subject = OLD.id;
END;

CREATE TRIGGER work_queue_paused AFTER UPDATE OF is_paused ON work_queue WHEN OLD.is_paused = 0 AND NEW.is_paused = 1
BEGIN
	INSERT INTO pause (subject, first) VALUES (NEW.id, NEW.updated);
END;

CREATE TRIGGER work_queue_resumed AFTER UPDATE OF is_paused ON work_queue WHEN OLD.is_paused = 1 AND NEW.is_paused = 0
BEGIN
	UPDATE pause SET last = NEW.updated WHERE subject = NEW.id AND last IS NULL;
END;

CREATE TRIGGER work_queue_gone AFTER DELETE ON work_queue
BEGIN
	DELETE FROM pause WHERE subject = OLD.id;
END;

CREATE TRIGGER schedule_gone AFTER DELETE ON schedule
BEGIN
	DELETE FROM pause WHERE subject = OLD.id;
END;

CREATE TABLE flow_run (
	id                  BLOB PRIMARY KEY,
	-- the last eight hex digits of the id, reversed, so that an ending is a prefix
	tail                TEXT NOT NULL,
	name                TEXT NOT NULL,
	flow_id             BLOB NOT NULL REFERENCES flow (id),
	deployment_id       BLOB REFERENCES deployment (id) ON DELETE SET NULL,
	-- the deployment's full name when the run was made; NULL for a run of an entrypoint
	deployment_name     TEXT,
	work_queue_id       BLOB REFERENCES work_queue (id) ON DELETE SET NULL,
	-- what to start, for a run without a deployment
	job                 TEXT CHECK (job IS NULL OR json_type(job) = 'object'),
	state_type          TEXT NOT NULL CHECK (state_type IN ('SCHEDULED', 'PENDING', 'RUNNING', 'CANCELLING',
	                        'PAUSED', 'COMPLETED', 'FAILED', 'CRASHED', 'CANCELLED')),
	state_name          TEXT NOT NULL,
	state_message       TEXT NOT NULL DEFAULT '',
	state_time          INTEGER NOT NULL,
	parameters          TEXT NOT NULL DEFAULT '{}' CHECK (json_type(parameters) = 'object'),
	tags                TEXT NOT NULL DEFAULT '[]' CHECK (json_type(tags) = 'array'),
	job_variables       TEXT NOT NULL DEFAULT '{}' CHECK (json_type(job_variables) = 'object'),
	idempotency_key     TEXT,
	timeout_seconds     REAL CHECK (timeout_seconds > 0),
	-- what this run alone has of retries; the rest is its deployment's or job's
	empirical_policy    TEXT NOT NULL DEFAULT '{}' CHECK (json_type(empirical_policy) = 'object'),
	expected_start_time INTEGER NOT NULL,
	-- when a claim may take it: the expected start, or the next try
	due                 INTEGER NOT NULL,
	schedule_slug       TEXT,
	scheduled_for       INTEGER,
	start_time          INTEGER,
	end_time            INTEGER,
	attempt             INTEGER NOT NULL DEFAULT 0 CHECK (attempt >= 0),
	-- budgets used since the run was made or retried by hand
	failures            INTEGER NOT NULL DEFAULT 0,
	crashes             INTEGER NOT NULL DEFAULT 0,
	lost_starts         INTEGER NOT NULL DEFAULT 0,
	fence               INTEGER NOT NULL DEFAULT 0,
	-- whoever cancelled it leaves its process no grace
	force_stop          INTEGER NOT NULL DEFAULT 0 CHECK (force_stop IN (0, 1)),
	owner_kind          TEXT,
	owner_host          TEXT,
	owner_proof         TEXT,
	owner_lease         INTEGER,
	worker_name         TEXT,
	created_by          TEXT NOT NULL DEFAULT '',
	created             INTEGER NOT NULL,
	updated             INTEGER NOT NULL,
	CHECK ((state_type IN ('COMPLETED', 'FAILED', 'CRASHED', 'CANCELLED')) = (end_time IS NOT NULL)),
	CHECK ((state_type IN ('PENDING', 'RUNNING', 'CANCELLING')) = (owner_proof IS NOT NULL)),
	CHECK ((schedule_slug IS NULL) = (scheduled_for IS NULL)),
	CHECK ((deployment_name IS NULL) = (job IS NOT NULL))
) STRICT;

-- A tick makes at most one run.
CREATE UNIQUE INDEX flow_run_tick ON flow_run (deployment_id, schedule_slug, scheduled_for)
	WHERE scheduled_for IS NOT NULL;
CREATE UNIQUE INDEX flow_run_idempotency ON flow_run (flow_id, idempotency_key)
	WHERE idempotency_key IS NOT NULL;
-- What the claim walks, and what it counts.
CREATE INDEX flow_run_due ON flow_run (work_queue_id, due, id, deployment_id)
	WHERE state_type = 'SCHEDULED';
CREATE INDEX flow_run_live ON flow_run (work_queue_id, deployment_id, worker_name)
	WHERE state_type IN ('PENDING', 'RUNNING', 'CANCELLING');
-- What people look up.
CREATE INDEX flow_run_tail ON flow_run (tail);
CREATE INDEX flow_run_by_name ON flow_run (name);
CREATE INDEX flow_run_by_state ON flow_run (state_type, id);
CREATE INDEX flow_run_by_deployment ON flow_run (deployment_id, id);
CREATE INDEX flow_run_by_flow ON flow_run (flow_id, id);

-- A waiting tick that is deleted is decided: it never comes again.
CREATE TRIGGER flow_run_tick_deleted AFTER DELETE ON flow_run
	WHEN OLD.state_type = 'SCHEDULED' AND OLD.scheduled_for IS NOT NULL
BEGIN
	UPDATE schedule
	   SET decided = max(decided, OLD.scheduled_for), next = NULL, unplanned = 1
	 WHERE deployment_id = OLD.deployment_id
	   AND slug = OLD.schedule_slug
	   AND next = OLD.scheduled_for;
END;

CREATE TABLE attempt (
	run_id      BLOB NOT NULL REFERENCES flow_run (id) ON DELETE CASCADE,
	attempt     INTEGER NOT NULL CHECK (attempt >= 1),
	fence       INTEGER NOT NULL,
	log         TEXT NOT NULL,
	pid         INTEGER,
	start_time  INTEGER NOT NULL,
	end_time    INTEGER,
	state_type  TEXT CHECK (state_type IN ('COMPLETED', 'FAILED', 'CRASHED', 'CANCELLED')),
	state_name  TEXT,
	message     TEXT,
	exit_code   INTEGER,
	signal      INTEGER,
	user_time   INTEGER,
	system_time INTEGER,
	max_rss     INTEGER,
	-- the flow's return value, when JSON can hold it
	result      TEXT,
	PRIMARY KEY (run_id, attempt),
	CHECK ((state_type IS NULL) = (end_time IS NULL))
) STRICT, WITHOUT ROWID;

CREATE TRIGGER attempt_end_is_final BEFORE UPDATE ON attempt WHEN OLD.end_time IS NOT NULL
BEGIN
	SELECT RAISE (ABORT, 'the end of an attempt is final');
END;

-- The history of a run: only ever appended to.
CREATE TABLE event (
	run_id     BLOB NOT NULL REFERENCES flow_run (id) ON DELETE CASCADE,
	id         BLOB NOT NULL,
	time       INTEGER NOT NULL,
	state_type TEXT NOT NULL,
	state_name TEXT NOT NULL,
	message    TEXT NOT NULL DEFAULT '',
	attempt    INTEGER NOT NULL,
	who        TEXT NOT NULL,
	PRIMARY KEY (run_id, id)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER event_is_final BEFORE UPDATE ON event
BEGIN
	SELECT RAISE (ABORT, 'the history of a run is only appended to');
END;

-- One row a worker process.
CREATE TABLE worker (
	id                BLOB PRIMARY KEY,
	name              TEXT NOT NULL,
	work_pool_id      BLOB NOT NULL REFERENCES work_pool (id) ON DELETE CASCADE,
	queues            TEXT NOT NULL DEFAULT '[]' CHECK (json_type(queues) = 'array'),
	concurrency_limit INTEGER,
	host              TEXT NOT NULL,
	pid               INTEGER NOT NULL,
	proof             TEXT NOT NULL,
	version           TEXT NOT NULL DEFAULT '',
	started           INTEGER NOT NULL,
	last_seen         INTEGER NOT NULL,
	ended             INTEGER,
	created           INTEGER NOT NULL,
	updated           INTEGER NOT NULL
) STRICT;

CREATE INDEX worker_by_pool ON worker (work_pool_id) WHERE ended IS NULL;

CREATE TABLE variable (
	id        BLOB PRIMARY KEY,
	name      TEXT NOT NULL UNIQUE CHECK (name <> ''),
	value     TEXT NOT NULL,
	is_secret INTEGER NOT NULL DEFAULT 0 CHECK (is_secret IN (0, 1)),
	created   INTEGER NOT NULL,
	updated   INTEGER NOT NULL
) STRICT;
