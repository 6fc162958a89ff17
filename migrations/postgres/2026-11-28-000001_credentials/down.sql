DROP TRIGGER users_password_to_credentials ON users;
DROP FUNCTION users_password_to_credentials;
DROP TABLE credentials;
DROP FUNCTION credentials_password_to_users;
