AUTH=http://127.0.0.1:8080
RESOURCE=http://127.0.0.1:8081
JSON='Content-Type: application/json'
# Register and log in. The answer to the login contains an access token and a refresh token.
curl -sS -w '\n' $AUTH/register -H "$JSON" \
  -d '{"email": "ada@example.com", "username": "ada", "password": "correct horse battery"}'
TOKENS=$(curl -sS $AUTH/login -H "$JSON" \
  -d '{"username": "ada", "password": "correct horse battery"}'); echo "$TOKENS"
ACCESS=$(echo "$TOKENS" | sed 's/.*"access":"\([^"]*\)".*/\1/')
REFRESH=$(echo "$TOKENS" | sed 's/.*"refresh":"\([^"]*\)".*/\1/')
# Call resource-service without an access token (401) and with one (200).
curl -sS -w '\n' -i $RESOURCE/whoami
curl -sS -w '\n' -i $RESOURCE/whoami -H "Authorization: Bearer $ACCESS"
# Refresh: exchange the refresh token for a new pair of tokens.
TOKENS=$(curl -sS $AUTH/token/refresh -H "$JSON" -d "{\"refresh\": \"$REFRESH\"}"); echo "$TOKENS"
ACCESS=$(echo "$TOKENS" | sed 's/.*"access":"\([^"]*\)".*/\1/')
REFRESH=$(echo "$TOKENS" | sed 's/.*"refresh":"\([^"]*\)".*/\1/')
# Log out: the session ends (204), and its refresh token is refused from now on (401).
curl -sS -w '\n' -i $AUTH/logout -H "Authorization: Bearer $ACCESS" -H "$JSON" \
  -d "{\"refresh\": \"$REFRESH\"}"
curl -sS -w '\n' -i $AUTH/token/refresh -H "$JSON" -d "{\"refresh\": \"$REFRESH\"}"
