import { takeTokenFromAddress } from '@/features/auth/take-token';

/** Imported first by the sign-in page, so that this happens while nothing else has run. */
export const tokenFromAddress = takeTokenFromAddress();
