# Register, and log in. The answer to the login holds two tokens.
curl -sS -w '\n' http://127.0.0.1:8080/register -H 'Content-Type: application/json' -d '{"email": "ada@example.com", "username": "ada", "password": "correct horse battery"}'
TOKENS=$(curl -sS http://127.0.0.1:8080/login -H 'Content-Type: application/json' -d '{"username": "ada", "password": "correct horse battery"}'); echo "$TOKENS"
ACCESS=$(echo "$TOKENS" | sed 's/.*"access":"\([^"]*\)".*/\1/'); REFRESH=$(echo "$TOKENS" | sed 's/.*"refresh":"\([^"]*\)".*/\1/')
# Call the resource: without the access token it is refused, with it, it answers.
curl -sS -w '\n' -i http://127.0.0.1:8081/whoami
curl -sS -w '\n' -i http://127.0.0.1:8081/whoami -H "Authorization: Bearer $ACCESS"
# Refresh: trade the refresh token for a new pair.
TOKENS=$(curl -sS http://127.0.0.1:8080/token/refresh -H 'Content-Type: application/json' -d "{\"refresh\": \"$REFRESH\"}"); echo "$TOKENS"
ACCESS=$(echo "$TOKENS" | sed 's/.*"access":"\([^"]*\)".*/\1/'); REFRESH=$(echo "$TOKENS" | sed 's/.*"refresh":"\([^"]*\)".*/\1/')
# Log out: the session ends, and its refresh token is refused from now on.
curl -sS -w '\n' -i http://127.0.0.1:8080/logout -H "Authorization: Bearer $ACCESS" -H 'Content-Type: application/json' -d "{\"refresh\": \"$REFRESH\"}"
curl -sS -w '\n' -i http://127.0.0.1:8080/token/refresh -H 'Content-Type: application/json' -d "{\"refresh\": \"$REFRESH\"}"
