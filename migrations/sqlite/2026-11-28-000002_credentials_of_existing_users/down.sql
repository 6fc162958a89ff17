-- The table is dropped by the migration before.
SELECT 1;
