DROP TABLE blacklist;
DROP TABLE sessions;
DROP TABLE users;
