/**
 * The accepted signature algorithms, by the name in `alg`, with their names in Web Crypto. Each is
 * asymmetric, so a resource server that can verify tokens cannot issue them.
 */
export const ALGORITHMS = new Map([
  ['EdDSA', { name: 'Ed25519' }],
  ['ES256', { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }],
  ['RS256', { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' }],
]);
