DROP TABLE address_mails;
DROP TABLE former_usernames;
DROP INDEX one_time_codes_folded_email;
ALTER TABLE one_time_codes DROP COLUMN folded_email;
ALTER TABLE users DROP COLUMN deletion_requested_at;
