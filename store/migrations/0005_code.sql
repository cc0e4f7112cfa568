-- Which code an attempt ran: store.Code as JSON. NULL where it was not found
-- out, and for all that ran before.
ALTER TABLE attempt ADD COLUMN code TEXT CHECK (code IS NULL OR json_type(code) = 'object');
