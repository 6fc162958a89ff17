DROP INDEX sessions_live_of_user;
