-- Login name of the operator who ran a command, as the environment states it.
ALTER TABLE audit_events ADD COLUMN operator TEXT;
