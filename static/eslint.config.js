import js from '@eslint/js';
import jsxA11y from 'eslint-plugin-jsx-a11y';
import reactHooks from 'eslint-plugin-react-hooks';
import globals from 'globals';
import tseslint from 'typescript-eslint';

// Imports point one way: lib → components → features → app. A feature never reaches into another.
const layer = (files, forbidden, message) => ({
  files,
  rules: { 'no-restricted-imports': ['error', { patterns: [{ group: forbidden, message }] }] },
});

export default tseslint.config(
  { ignores: ['dist', 'coverage', 'dev-public', 'src/lib/api/schema.d.ts'] },
  js.configs.recommended,
  ...tseslint.configs.strictTypeChecked,
  {
    languageOptions: {
      globals: globals.browser,
      parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname },
    },
    rules: {
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      '@typescript-eslint/no-unnecessary-condition': ['error', { allowConstantLoopConditions: 'only-allowed-literals' }],
      '@typescript-eslint/no-unused-vars': ['error', { varsIgnorePattern: '^_', argsIgnorePattern: '^_' }],
      'no-restricted-globals': ['error', 'localStorage', 'sessionStorage'],
    },
  },
  {
    files: ['src/**/*.tsx'],
    extends: [jsxA11y.flatConfigs.recommended, reactHooks.configs.flat.recommended],
  },
  layer(['src/lib/**'], ['@/components/*', '@/features/*', '@/app/*', '@/testing/*'], 'lib knows nothing above it.'),
  layer(['src/components/**'], ['@/features/*', '@/app/*', '@/testing/*'], 'components know lib alone.'),
  layer(['src/features/auth/**'], ['@/features/chat/*', '@/app/*', '@/testing/*'], 'A feature sees lib and components.'),
  layer(['src/features/chat/**'], ['@/features/auth/*', '@/app/*', '@/testing/*'], 'A feature sees lib and components.'),
  layer(['src/app/**'], ['@/testing/*'], 'The page is built without its test tools.'),
  {
    // Tests render whole routes, and the page started for development brings its mock.
    files: ['src/**/*.test.{ts,tsx}', 'src/app/start-mocks.ts'],
    rules: { 'no-restricted-imports': 'off' },
  },
  { files: ['eslint.config.js', 'swagger-ui/*.js'], extends: [tseslint.configs.disableTypeChecked] },
);
