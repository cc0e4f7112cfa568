-- /// flow
-- name: query
-- ///
select 1;
