import { useEffect } from 'react';

/**
 * Stands in for react-style-singleton (see build/no-runtime-styles.ts). The original appends a
 * <style> element, which `style-src 'self'` refuses; a constructed stylesheet is allowed.
 */
export function stylesheetSingleton() {
  let users = 0;
  let sheet: CSSStyleSheet | null = null;
  return {
    add(css: string) {
      if (users++ > 0) return;
      sheet = new CSSStyleSheet();
      sheet.replaceSync(css);
      document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
    },
    remove() {
      if (--users > 0) return;
      document.adoptedStyleSheets = document.adoptedStyleSheets.filter((other) => other !== sheet);
      sheet = null;
    },
  };
}

export function styleHookSingleton() {
  const sheet = stylesheetSingleton();
  return function useSingletonStyle(css: string, dynamic?: boolean) {
    const change = dynamic === true ? css : '';
    useEffect(() => {
      sheet.add(css);
      return () => sheet.remove();
      // Like the original, the styles of the first user stay unless asked to follow.
    }, [change]);
  };
}

export function styleSingleton() {
  const useSingletonStyle = styleHookSingleton();
  return function Sheet({ styles, dynamic }: { styles: string; dynamic?: boolean }) {
    useSingletonStyle(styles, dynamic);
    return null;
  };
}
