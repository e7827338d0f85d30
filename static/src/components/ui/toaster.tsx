import { Toaster as Sonner } from 'sonner';

export function Toaster() {
  return (
    <Sonner
      position="top-right"
      theme="system"
      closeButton
      toastOptions={{
        classNames: {
          toast: '!bg-raised !text-foreground !border-border !rounded-xl !shadow-lg',
          description: '!text-muted',
          closeButton: '!size-6 !bg-raised !text-foreground !border-border',
          actionButton: '!h-8 !rounded-lg !bg-primary !px-3 !text-[0.8125rem] !text-on-primary',
        },
      }}
    />
  );
}
