-- SQLite makes a table of each list of more than two for each row that it checks.
-- The same rules without one: what they allow, and what is on the disk, stay as
-- they were. (https://www.sqlite.org/lang_altertable.html#otheralter)
PRAGMA writable_schema = ON;

UPDATE sqlite_schema
   SET sql = replace(replace(replace(sql,
       'CHECK (state_type IN (''SCHEDULED'', ''PENDING'', ''RUNNING'', ''CANCELLING'',
	                        ''PAUSED'', ''COMPLETED'', ''FAILED'', ''CRASHED'', ''CANCELLED''))',
       'CHECK (state_type = ''SCHEDULED'' OR state_type = ''RUNNING'' OR state_type = ''COMPLETED'' OR
	                        state_type = ''PENDING'' OR state_type = ''CANCELLING'' OR state_type = ''PAUSED'' OR
	                        state_type = ''FAILED'' OR state_type = ''CRASHED'' OR state_type = ''CANCELLED'')'),
       'state_type IN (''COMPLETED'', ''FAILED'', ''CRASHED'', ''CANCELLED'')',
       'state_type = ''COMPLETED'' OR state_type = ''FAILED'' OR state_type = ''CRASHED'' OR state_type = ''CANCELLED'''),
       'state_type IN (''PENDING'', ''RUNNING'', ''CANCELLING'')',
       'state_type = ''PENDING'' OR state_type = ''RUNNING'' OR state_type = ''CANCELLING''')
 WHERE type = 'table' AND name IN ('flow_run', 'attempt');

PRAGMA writable_schema = RESET;

-- Whatever changes the schema has every connection read it again.
DROP TRIGGER event_is_final;
CREATE TRIGGER event_is_final BEFORE UPDATE ON event
BEGIN
	SELECT RAISE (ABORT, 'the history of a run is only appended to');
END;
