// Signs a JWT with the key file that a stack keeps, for the user in SUB, ROLE and TTL. Called by scripts/token.
import { createHmac, sign } from 'node:crypto';
import { readFileSync } from 'node:fs';

const { SUB, ROLE, TTL } = process.env;
const { alg, key, iss, aud, roleClaim, admins, required } = JSON.parse(readFileSync(process.argv[2], 'utf8'));

const refuse = (why) => {
  console.error(`✗ ${why}`);
  process.exit(1);
};
if (!/^[A-Za-z0-9._:@|+=/-]{1,255}$/.test(SUB)) refuse(`SUB=${SUB}: 1 to 255 of A-Z a-z 0-9 . _ : @ | + = / -`);
if (!['user', 'admin'].includes(ROLE)) refuse(`ROLE=${ROLE}: user or admin`);
if (!/^-?\d{1,10}$/.test(TTL)) refuse(`TTL=${TTL}: seconds`);
if (!key) refuse(`the stack's ${alg} tokens are signed with a key that is not here`);

// In the words of the stack's settings; the service tries the whole name of a claim before it takes it for a path.
const values = (list) => (list ?? '').split(',').map((value) => value.trim()).filter(Boolean);
const adminValues = values(admins || 'admin');
const needed = values(required);
const roles = [ROLE === 'admin' ? adminValues[0] : 'user'];
if (needed.length && !needed.includes(roles[0])) roles.push(needed.find((value) => ROLE === 'admin' || !adminValues.includes(value)));
if (roles.includes(undefined) || (ROLE === 'user' && adminValues.includes('user')))
  refuse(`no token makes a ${ROLE}: by JWT_ADMIN_VALUES and JWT_REQUIRED_VALUES, who may come in is an admin`);
const role = { [roleClaim || 'role']: roles.length > 1 ? roles : roles[0] };

const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
const now = Math.floor(Date.now() / 1000);
const signed = `${encode({ alg, typ: 'JWT' })}.${encode({ sub: SUB, ...role, iat: now, exp: now + Number(TTL), iss, aud })}`;
const signature =
  alg === 'HS256'
    ? createHmac('sha256', key).update(signed).digest()
    : sign('sha256', Buffer.from(signed), { key, dsaEncoding: 'ieee-p1363' });
console.log(`${signed}.${signature.toString('base64url')}`);
