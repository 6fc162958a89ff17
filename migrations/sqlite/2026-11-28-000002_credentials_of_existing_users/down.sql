-- The migration before this one drops the table.
SELECT 1;
