import { Toaster as Sonner } from 'sonner';

export function Toaster() {
  return (
    <Sonner
      position="top-right"
      theme="system"
      closeButton
      toastOptions={{
        classNames: {
          content: '!flex-1 !basis-[60%]',
          toast: '!flex-wrap !bg-raised !text-foreground !border-border !rounded-xl !shadow-lg',
          description: '!text-muted',
          closeButton: '!size-6 !bg-raised !text-foreground !border-border',
          cancelButton: '!h-8 !rounded-lg !border !border-border !bg-raised !px-3 !text-[0.8125rem] !text-foreground',
          actionButton: '!h-8 !rounded-lg !bg-primary !px-3 !text-[0.8125rem] !text-on-primary',
        },
      }}
    />
  );
}
